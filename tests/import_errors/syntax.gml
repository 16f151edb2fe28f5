Creator "by hand"
graph [
  ] ]
  node [ id 0 label ]
  node [ id 1 "b" ]
  [ id 2 ]
  node [ id 3 label 'c' ]
  node [ id 1234567890123456789 ]
  node [ id 5 Latitude 1e999 ]
  node [ id 6 label "never closed ]
